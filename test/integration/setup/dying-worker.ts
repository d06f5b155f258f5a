/** A process that sets a project up and is killed, as by kill -9, at the crash point it is given. */

import { setUp } from '../../../src/activities/set-up.ts'
import { createDb } from '../../../src/db/client.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'
import { partsOf } from '../restore/support.ts'
import { anAttempt } from './world.ts'

const [url = '', dir = '', projectId = '', taskId = '', crashPoint = ''] = process.argv.slice(2)
const ignore = () => undefined
const db = createDb({ url, applicationName: 'dying', poolSize: 5, onEvents: ignore, onConnectionError: ignore })
armCrashPoint(crashPoint, () => process.kill(process.pid, 'SIGKILL'))
const { deps, ask } = await anAttempt(db, partsOf(db, dir), { projectId, taskId })
await setUp(deps, ask)
throw new Error(`${crashPoint} was not reached`)
