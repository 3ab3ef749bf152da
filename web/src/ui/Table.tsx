import type { ReactNode } from 'react'

export interface Column<T> {
  key: string
  head: ReactNode
  cell: (row: T) => ReactNode
  /** Numbers stand on the right, in figures of one width. */
  numeric?: boolean
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
              <th key={column.key} scope="col" className={column.numeric ? 'numeric' : undefined}>
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
