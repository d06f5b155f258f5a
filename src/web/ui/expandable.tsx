import { ChevronRight } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { classNames } from './class-names.ts'

/** A line that shows what is behind it when it is clicked; `children` are made only while it is open. */
export function Expandable({
  line,
  className,
  children,
}: {
  line: ReactNode
  /** Of the line: its size, width and colour. */
  className: string
  children: ReactNode
}) {
  const [isOpen, setOpen] = useState(false)
  return (
    <div>
      <button
        type="button"
        aria-expanded={isOpen}
        onClick={() => setOpen(!isOpen)}
        className={classNames('flex items-center gap-2 rounded-md px-2 py-1 text-left hover:bg-hover', className)}
      >
        {line}
        <ChevronRight
          aria-hidden="true"
          className={classNames('size-3.5 shrink-0 text-faint transition-transform', isOpen && 'rotate-90')}
        />
      </button>
      {isOpen && children}
    </div>
  )
}
