if (process.env['DATABASE_URL'] === undefined) process.exit(1)
