import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

/** Below this a header costs more than the squeezed bytes save. */
const MIN_COMPRESSED_BYTES = 1_024

/** Writes each asset once more, compressed, so that no server spends time on it. */
function compressAssets(): Plugin {
  return {
    name: 'compress-assets',
    apply: 'build',
    async writeBundle({ dir = '' }) {
      const assets = join(dir, 'assets')
      for (const name of await readdir(assets)) {
        if (!/\.(js|css|svg)$/.test(name)) continue
        const content = await readFile(join(assets, name))
        if (content.length < MIN_COMPRESSED_BYTES) continue
        await writeFile(join(assets, `${name}.gz`), await promisify(gzip)(content, { level: 9 }))
      }
    },
  }
}

/**
 * The page: src/web to dist/web. Every file but index.html has its hash in its name; nothing is loaded from another
 * origin. The server fills `__NONCE__` in for each answer.
 */
export default defineConfig({
  root: 'src/web',
  plugins: [react(), tailwindcss(), compressAssets()],
  html: { cspNonce: '__NONCE__' },
  build: {
    outDir: '../../dist/web',
    emptyOutDir: true,
    manifest: true,
    target: 'es2023',
    // A data: URL would be one more thing for the policy to allow.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2_000,
  },
  worker: { format: 'es' },
})
