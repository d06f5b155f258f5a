/** The shells that completion is known for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

/** One of the shells. */
export type Shell = (typeof SHELLS)[number]

/**
 * What a shell evaluates to complete `keelson`. It asks the program itself for candidates, so that it never grows old: a
 * line each, with what it is behind a tab.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<Shell, string>> = {
  bash: `_keelson() {
  local IFS=$'\\n' line
  COMPREPLY=()
  for line in $(keelson __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null); do
    COMPREPLY+=("\${line%%$'\\t'*}")
  done
}
complete -o default -F _keelson keelson
`,
  zsh: `#compdef keelson
_keelson() {
  local -a found
  local line
  for line in "\${(@f)$(keelson __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -n $line ]] && found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  (( $#found )) && _describe keelson found || _files
}
(( $+functions[compdef] )) && compdef _keelson keelson
`,
  fish: `function __keelson_complete
  set -l words (commandline -opc)
  set -e words[1]
  keelson __complete $words (commandline -ct | string collect --allow-empty) 2>/dev/null
end
complete -c keelson -f -a '(__keelson_complete)'
`,
}
