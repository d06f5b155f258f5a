/** What a tool is about to do; journalled before it is done, so that a repeat can tell whether it was. */
export type Effect =
  | { readonly kind: 'command'; readonly command: string; readonly cwd: string }
  /** Hashes are SHA-256 in hex; `before` is null when the file did not exist. */
  | { readonly kind: 'write'; readonly path: string; readonly before: string | null; readonly after: string }
