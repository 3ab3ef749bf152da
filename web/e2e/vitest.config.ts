import { defineConfig } from 'vitest/config'

/** `npm run e2e`: a real server and a real browser, one file after the other. */
export default defineConfig({
  test: {
    environment: 'node',
    include: ['e2e/**/*.e2e.ts'],
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 240_000,
  },
})
