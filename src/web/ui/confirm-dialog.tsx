import type { ConfirmationProps } from './confirmation.tsx'
import { lazyPart } from './lazy-part.tsx'

// Dialogs are opened by somebody: not needed for the first look at the page.
const Confirmation = lazyPart(() => import('./confirmation.tsx'))

/** Asks before something that is hard to take back. `onConfirm` may reject: its message stands in the dialog. */
export function ConfirmDialog({ isOpen, ...props }: ConfirmationProps & { readonly isOpen: boolean }) {
  return isOpen && <Confirmation {...props} />
}
