import { useLocation, useNavigate, useSearch } from '@tanstack/react-router'
import { Search } from 'lucide-react'
import { useEffect, useRef, useState } from 'react'
import { useShortcuts } from '../ui/shortcuts'
import { useWords } from '../words/useWords'

/** Searches the worklist, or the list of patients, from every page; the address follows 250 ms after the last letter. */
export function SearchBox() {
  const { t } = useWords()
  const navigate = useNavigate()
  const { pathname } = useLocation()
  // Patients are searched where they are listed, everything else in the worklist.
  const to = pathname === '/patients' ? '/patients' : '/'
  const given = useSearch({
    strict: false,
    select: (search) => ('search' in search ? String(search.search ?? '') : ''),
  })
  const [typed, setTyped] = useState<string | null>(null)
  // The address holds what was typed, but for spaces at its end, which belong to a name that is still being typed.
  const [asked, setAsked] = useState<string | null>(null)
  const input = useRef<HTMLInputElement>(null)
  useShortcuts(t('help.everywhere'), [
    { keys: 'Slash /', shown: '/', does: t('help.search'), run: () => input.current?.select() },
  ])
  useEffect(() => {
    if (typed === null || typed === asked) return
    const timer = setTimeout(() => {
      void navigate({
        to,
        search: (before) => ({ ...before, search: typed.trim() || undefined }),
        replace: true,
      }).then(() => setAsked(typed))
    }, 250)
    return () => clearTimeout(timer)
  }, [typed, asked, navigate, to])
  const current = typed !== null && (typed !== asked || typed.trim() === given)
  return (
    <div className="search">
      <Search size={14} aria-hidden="true" />
      <input
        ref={input}
        type="search"
        aria-label={t('worklist.search')}
        placeholder={t('worklist.search')}
        value={current ? typed : given}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') event.currentTarget.blur()
        }}
      />
      <kbd>/</kbd>
    </div>
  )
}
