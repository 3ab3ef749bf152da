import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { App } from './app/App'
import './app/theme.css'
import './ui/ui.css'
import './app/frame.css'
import './worklist/worklist.css'
import './worklist/upload.css'
import './accounts/accounts.css'
import './models/models.css'
import './app/print.css'

const root = document.getElementById('root')
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  )
}
