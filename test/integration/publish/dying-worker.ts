/** A process that runs the steps of a publication and is killed, as by kill -9, at the crash point it is given. */

import { createDb } from '../../../src/db/client.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'
import { partsOf } from '../restore/support.ts'
import { control, stepsOf } from './world.ts'

const [url = '', dir = '', origin = '', extraCaFile = '', publicationId = '', projectId = '', crashPoint = ''] =
  process.argv.slice(2)
const ignore = () => undefined
const db = createDb({ url, applicationName: 'dying', poolSize: 5, onEvents: ignore, onConnectionError: ignore })
armCrashPoint(crashPoint, () => process.kill(process.pid, 'SIGKILL'))
const git = { origins: [origin], extraCaFile }
const steps = stepsOf(db, partsOf(db, dir, ignore, git), git)
await steps.buildCommit(publicationId, control)
await steps.pushBranch(publicationId, control)
await steps.openPullRequest(publicationId, control)
await steps.finish({ publicationId, projectId }, null)
throw new Error(`${crashPoint} was not reached`)
