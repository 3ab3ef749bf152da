import { defineConfig } from 'vitest/config'

/** `npm run e2e`: a real server and a real browser for each file, two files at a time: one leaves a third of two cores idle. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    maxWorkers: 2,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
})
