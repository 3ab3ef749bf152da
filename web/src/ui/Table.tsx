import { ArrowDown, ArrowUp } from 'lucide-react'
import type { ReactNode } from 'react'

export interface Column<T> {
  key: string
  head: ReactNode
  cell: (row: T) => ReactNode
  /** Missing where the rows are not sorted by this column. */
  order?: Order
  /** Numbers stand on the right, in figures of one width. */
  numeric?: boolean
}

export type Order = 'ascending' | 'descending' | 'none'

/** The head of a column that sorts: its label, and an arrow where the rows stand in its order. */
export function SortHead({ label, order, onSorted }: { label: string; order: Order; onSorted: () => void }) {
  return (
    <button type="button" className="sort-head" onClick={onSorted}>
      {label}
      {order === 'ascending' && <ArrowUp size={12} aria-hidden="true" />}
      {order === 'descending' && <ArrowDown size={12} aria-hidden="true" />}
    </button>
  )
}

interface TableProps<T> {
  /** Read aloud before the table. */
  label: string
  columns: readonly Column<T>[]
  rows: readonly T[]
  rowKey: (row: T) => string
  rowClass?: (row: T) => string
}

export function Table<T>({ label, columns, rows, rowKey, rowClass }: TableProps<T>) {
  return (
    <div className="table-scroll">
      <table className="table" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                className={column.numeric ? 'numeric' : undefined}
                aria-sort={column.order}
              >
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)} className={rowClass?.(row)}>
              {columns.map((column) => (
                <td key={column.key} className={column.numeric ? 'numeric' : undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
