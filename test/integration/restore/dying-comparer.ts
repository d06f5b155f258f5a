/** A process that takes a comparison's steps and is killed, as by kill -9, at the crash point it is given. */

import { createDb } from '../../../src/db/client.ts'
import { weighComparison } from '../../../src/db/task/comparison-moves.ts'
import { applyChoice } from '../../../src/restore/choose-alternative.ts'
import { removeAlternatives } from '../../../src/restore/comparison-steps.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'
import { forkedBy, partsOf } from './support.ts'

const [url = '', dir = '', comparisonId = '', projectId = '', step = '', crashPoint = ''] = process.argv.slice(2)
const ignore = () => undefined
const db = createDb({ url, applicationName: 'dying', poolSize: 5, onEvents: ignore, onConnectionError: ignore })
armCrashPoint(crashPoint, () => process.kill(process.pid, 'SIGKILL'))
const { workspaces, restorer } = partsOf(db, dir)
const at = { comparisonId, projectId }
if (step === 'fork') await forkedBy(db, at)
if (step === 'choose') {
  await weighComparison(db, at)
  await applyChoice({ db, workspaces, restorer }, at)
}
if (step === 'remove') await removeAlternatives({ db, workspaces }, at, ignore)
throw new Error(`${crashPoint} was not reached`)
