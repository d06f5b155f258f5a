import type { Binaries } from './stack.ts'

/** The stores' programs as the test run found them. Throws outside of one. */
export function testBinaries(): Binaries {
  const [redis, temporal] = [process.env['KEELSON_TEST_REDIS_BINARY'], process.env['KEELSON_TEST_TEMPORAL_BINARY']]
  if (!redis || !temporal) throw new Error('KEELSON_TEST_REDIS_BINARY is not set: run the tests with npm test')
  return { redis, temporal }
}
