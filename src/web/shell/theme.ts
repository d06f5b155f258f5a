import { useEffect } from 'react'
import { useStored } from './stored.ts'

/** What a person chose; `system` follows the machine. */
export type ThemeChoice = 'system' | 'light' | 'dark'

/** The person's choice; index.html applies the stored one before the first paint. */
export function useTheme(): readonly [ThemeChoice, (choice: ThemeChoice) => void] {
  const [stored, setStored] = useStored('theme')
  const choice: ThemeChoice = stored === 'light' || stored === 'dark' ? stored : 'system'
  useEffect(() => {
    if (choice === 'system') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = choice
  }, [choice])
  return [choice, (next) => setStored(next === 'system' ? null : next)]
}
