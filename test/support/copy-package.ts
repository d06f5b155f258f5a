import { chownSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FROM = fileURLToPath(new URL('../../node_modules/', import.meta.url))

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** Copies a package of this checkout, with all that it needs, below a directory and to the directory's owner. */
export function copyPackage(name: string, to: string): void {
  const wanted = [name]
  const copied = new Set<string>()
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const source = join(FROM, next)
    // What is meant for other machines was not installed.
    if (copied.has(next) || !existsSync(join(source, 'package.json'))) continue
    copied.add(next)
    const target = join(to, 'node_modules', next)
    mkdirSync(target, { recursive: true })
    cpSync(source, target, { recursive: true })
    const manifest = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8')) as Manifest
    wanted.push(...Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
  }
  giveTo(statSync(to), join(to, 'node_modules'))
}

/** Gives a tree to an owner; only root can, and needs to. */
export function giveTo({ uid, gid }: { readonly uid: number; readonly gid: number }, path: string): void {
  if (process.getuid?.() !== 0) return
  chownSync(path, uid, gid)
  if (!lstatSync(path).isDirectory()) return
  for (const name of readdirSync(path)) {
    const inside = join(path, name)
    if (!lstatSync(inside).isSymbolicLink()) giveTo({ uid, gid }, inside)
  }
}
