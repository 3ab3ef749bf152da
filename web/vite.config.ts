import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

// `npm run dev` asks a running `glioscope serve`; its origin check accepts only its own address.
const server = 'http://127.0.0.1:8040'

export default defineConfig({
  plugins: [react()],
  build: {
    // The content security policy allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
  },
  server: {
    proxy: {
      '/api': { target: server, changeOrigin: true, headers: { origin: server } },
      '/enter': server,
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    // The contrast test reads the style sheet.
    css: true,
    // Whole pages on a machine that compiles beside them.
    testTimeout: 20_000,
  },
})
