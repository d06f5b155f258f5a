/**
 * The policy lets only style elements with this answer's nonce through, and some libraries (the terminal, the scroll lock
 * of dialogs) make theirs without. So each style element gets the nonce when it is made; import this before them.
 * Markup that comes in as text never runs through here, so it stays without.
 */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? ''

if (nonce !== '') {
  const createElement = document.createElement.bind(document) as (
    name: string,
    options?: ElementCreationOptions,
  ) => HTMLElement
  document.createElement = ((name: string, options?: ElementCreationOptions): HTMLElement => {
    const element = createElement(name, options)
    if (element instanceof HTMLStyleElement) element.nonce = nonce
    return element
  }) as typeof document.createElement
}
