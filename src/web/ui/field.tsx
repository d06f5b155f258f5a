import { type ComponentProps, type ReactNode, useId } from 'react'
import { classNames } from './class-names.ts'

/** The look of everything that is typed into. */
export const INPUT_CLASS =
  'w-full rounded-md border border-line-strong bg-surface px-2.5 text-sm text-ink placeholder:text-faint disabled:opacity-60 aria-invalid:border-bad'

interface FieldProps {
  readonly label: string
  readonly hint?: string
  /** What is wrong with the value, and the way out. */
  readonly error?: string | undefined
  /** Hides the label from sight, not from screen readers. */
  readonly isLabelHidden?: boolean
}

/** Label, control, hint and error, tied together for screen readers. The control gets its ids by `render`. */
export function Field({
  label,
  hint,
  error,
  isLabelHidden = false,
  render,
}: FieldProps & {
  render: (ids: {
    id: string
    'aria-describedby': string | undefined
    'aria-invalid': boolean | undefined
  }) => ReactNode
}) {
  const id = useId()
  const noteId = `${id}-note`
  const note = error ?? hint
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id} className={isLabelHidden ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      {render({
        id,
        'aria-describedby': note === undefined ? undefined : noteId,
        'aria-invalid': error === undefined ? undefined : true,
      })}
      {note !== undefined && (
        <p id={noteId} className={classNames('text-xs', error === undefined ? 'text-faint' : 'text-bad')}>
          {note}
        </p>
      )}
    </div>
  )
}

/** One line of text. */
export function TextField({
  label,
  hint,
  error,
  isLabelHidden,
  className,
  ...rest
}: FieldProps & ComponentProps<'input'>) {
  const own = { label, hint, error, isLabelHidden } as FieldProps
  return (
    <Field
      {...own}
      render={(ids) => <input {...rest} {...ids} className={classNames(INPUT_CLASS, 'h-8', className)} />}
    />
  )
}

/** Several lines of text. */
export function TextAreaField({
  label,
  hint,
  error,
  isLabelHidden,
  className,
  ...rest
}: FieldProps & ComponentProps<'textarea'>) {
  const own = { label, hint, error, isLabelHidden } as FieldProps
  return (
    <Field
      {...own}
      render={(ids) => (
        <textarea rows={3} {...rest} {...ids} className={classNames(INPUT_CLASS, 'py-1.5', className)} />
      )}
    />
  )
}

/** On or off, with its words beside it. */
export function CheckboxField({
  label,
  hint,
  className,
  ...rest
}: { label: string; hint?: string } & Omit<ComponentProps<'input'>, 'type'>) {
  const id = useId()
  return (
    <div className={classNames('flex items-start gap-2 text-sm', className)}>
      <input {...rest} id={id} type="checkbox" className="mt-0.5 size-4 accent-accent" />
      <label htmlFor={id}>
        {label}
        {hint !== undefined && <span className="block text-xs text-faint">{hint}</span>}
      </label>
    </div>
  )
}
