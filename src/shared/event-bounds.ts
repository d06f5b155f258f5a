/** Files that the stream is told of by name in one go; more are told by `diff.updated` and the checkpoint. */
export const MAX_FILE_EVENTS = 200
/** Bytes of a command's output in the event that ends it: whole up to twice this, else so much of its head and its tail. */
export const EVENT_OUTPUT_BYTES = 128 * 1024
