import { COMPLETION_SCRIPTS, SHELLS } from '../grammar/completion-script.ts'
import { UsageError } from '../usage-error.ts'
import { defineCommand } from './command.ts'
import { atMost } from './shared-options.ts'

/** `keelson completion`: prints the script by which bash, zsh or fish completes words. */
export const completionCommand = defineCommand({
  name: 'completion',
  words: SHELLS.join('|'),
  what: 'prints what a shell needs to complete keelson',
  options: {},
  completes: 'shell',
  notes: `bash  eval "$(keelson completion bash)"                 in ~/.bashrc
zsh   eval "$(keelson completion zsh)"                  in ~/.zshrc, below compinit
fish  keelson completion fish > ~/.config/fish/completions/keelson.fish`,
  run: async ({ positionals }, { write }) => {
    atMost(positionals, 1)
    const shell = SHELLS.find((each) => each === positionals[0])
    if (shell === undefined) throw new UsageError(`Name the shell: ${SHELLS.join(', ')}.`)
    write(COMPLETION_SCRIPTS[shell])
    return 0
  },
})
