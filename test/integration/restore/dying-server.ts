/** A process that restores a checkpoint and is killed, as by kill -9, at the crash point it is given. */

import { createDb } from '../../../src/db/client.ts'
import { getCheckpoint } from '../../../src/db/workspace/checkpoints.ts'
import { armCrashPoint } from '../../../src/shared/crash-points.ts'
import { partsOf } from './support.ts'

const [url = '', dir = '', checkpointId = '', crashPoint = ''] = process.argv.slice(2)
const ignore = () => undefined
const db = createDb({ url, applicationName: 'dying', poolSize: 5, onEvents: ignore, onConnectionError: ignore })
armCrashPoint(crashPoint, () => process.kill(process.pid, 'SIGKILL'))
await partsOf(db, dir).restorer.restore({ from: await getCheckpoint(db, checkpointId), kind: 'restore' })
throw new Error(`${crashPoint} was not reached`)
