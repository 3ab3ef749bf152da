import { useSearch } from '@tanstack/react-router'
import { ComparePage } from '../study/ComparePage'
import { LostPage } from './LostPage'

/** Two studies side by side, mounted anew for each pair. */
export function CompareRoute() {
  const { a, b } = useSearch({ from: '/compare' })
  return a && b ? <ComparePage key={`${a} ${b}`} a={a} b={b} /> : <LostPage />
}
