import { defineConfig } from 'prisma/config'

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  // Only the prisma command line reads this; the server gets its address through src/config.ts.
  datasource: { url: process.env['DATABASE_URL'] ?? 'postgresql://127.0.0.1:5432/keelson' },
})
