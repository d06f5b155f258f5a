import { classNames } from '../ui/class-names.ts'
import { VisibleText } from './visible-text.tsx'

/** A path on one line. Where there is too little room its folders are shortened, and the file's name stays to be read. */
export function ShortPath({ path, className }: { path: string; className?: string | false }) {
  const nameAt = path.lastIndexOf('/') + 1
  return (
    <span className={classNames('min-w-0 font-mono text-xs', className)} title={path}>
      {/* In one piece for those who do not see it. */}
      <span className="sr-only">
        <VisibleText text={path} />
      </span>
      <span aria-hidden="true" className="flex min-w-0">
        {nameAt > 0 && (
          // From the right, so that it is shortened at its beginning: the nearest folders tell most.
          <span dir="rtl" className="min-w-0 truncate">
            <bdi dir="ltr">
              <VisibleText text={path.slice(0, nameAt)} />
            </bdi>
          </span>
        )}
        <span className="max-w-full shrink-0 truncate">
          <VisibleText text={path.slice(nameAt)} />
        </span>
      </span>
    </span>
  )
}
