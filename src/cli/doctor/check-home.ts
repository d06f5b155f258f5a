import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import path from 'node:path'
import { type Diagnosis, fail, lineOf, ok, warn } from './diagnosis.ts'

const GIB = 1024 ** 3
/** Stores, one project and its dependencies. */
const LEAST_BYTES = GIB
const ENOUGH_BYTES = 5 * GIB
const LEAST_FILES = 10_000

/** Whether the home directory can be written to and has room. Makes nothing. */
export async function checkHome(home: string): Promise<Diagnosis[]> {
  const there = await nearestThere(home)
  const isThere = there === home
  try {
    await access(there, constants.W_OK | constants.X_OK)
  } catch (error) {
    return [fail('home', `${home} cannot be written to (${lineOf(error)})`, 'set KEELSON_HOME to a directory of yours')]
  }
  if (!(await stat(there)).isDirectory()) {
    return [fail('home', `${there} is not a directory`, 'set KEELSON_HOME to a directory of yours')]
  }
  return [ok('home', isThere ? home : `${home}, which the first start makes`), await checkDisk(there)]
}

async function checkDisk(directory: string): Promise<Diagnosis> {
  const { bavail, bsize, ffree, files } = await statfs(directory)
  const freeBytes = bavail * bsize
  const free = `${(freeBytes / GIB).toFixed(1)} GiB free`
  const fix = 'free some space, or set KEELSON_HOME to a larger disk'
  if (files > 0 && ffree < LEAST_FILES) return fail('disk', `room for ${ffree} more files only`, fix)
  if (freeBytes < LEAST_BYTES) return fail('disk', `${free}, less than 1 GiB`, fix)
  return freeBytes < ENOUGH_BYTES ? warn('disk', `${free}, less than 5 GiB`, fix) : ok('disk', free)
}

/** The directory itself or the nearest one above it that is there. */
async function nearestThere(directory: string): Promise<string> {
  for (let at = directory; ; at = path.dirname(at)) {
    try {
      await stat(at)
      return at
    } catch (error) {
      const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT'
      if (!isMissing || at === path.dirname(at)) return at
    }
  }
}
