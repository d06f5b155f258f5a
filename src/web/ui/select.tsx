import { ChevronDown } from 'lucide-react'
import { useId } from 'react'
import { classNames } from './class-names.ts'

/** One choice of a list. */
export interface SelectOption<Value extends string> {
  readonly value: Value
  readonly label: string
}

/** One of a few, by the browser's own list: right on every device and for every reader. */
export function Select<Value extends string>({
  label,
  value,
  options,
  onChange,
  isLabelHidden = false,
  size = 'normal',
  disabled,
  className,
}: {
  label: string
  value: Value
  options: readonly SelectOption<Value>[]
  onChange: (value: Value) => void
  isLabelHidden?: boolean
  size?: 'small' | 'normal'
  disabled?: boolean
  className?: string
}) {
  const id = useId()
  return (
    <div className={classNames('flex flex-col gap-1', className)}>
      <label htmlFor={id} className={isLabelHidden ? 'sr-only' : 'text-sm font-medium'}>
        {label}
      </label>
      <div className="relative">
        <select
          id={id}
          value={value}
          disabled={disabled}
          onChange={(event) => onChange(event.target.value as Value)}
          className={classNames(
            'w-full appearance-none rounded-md border border-line-strong bg-surface pr-7 pl-2.5 text-ink disabled:opacity-60',
            size === 'small' ? 'h-7 text-xs' : 'h-8 text-sm',
          )}
        >
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
        <ChevronDown
          aria-hidden="true"
          className="pointer-events-none absolute top-1/2 right-2 size-3.5 -translate-y-1/2 text-faint"
        />
      </div>
    </div>
  )
}
