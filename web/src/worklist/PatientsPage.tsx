import { Link, useNavigate, useSearch } from '@tanstack/react-router'
import { Pencil } from 'lucide-react'
import { useState } from 'react'
import type { Patient } from '../api/types'
import { useMayEdit } from '../api/useRole'
import { Button, IconButton } from '../ui/Button'
import { EmptyState } from '../ui/EmptyState'
import { type Column, type Order, SortHead, Table } from '../ui/Table'
import { FailureNotice } from '../words/FailureNotice'
import { useWords } from '../words/useWords'
import { PatientDialog } from './PatientDialog'
import { turned } from './patientFilter'
import { usePatients } from './usePatients'

/** All patients, in the order that a head of a column says, each leading to its studies. */
export function PatientsPage() {
  const { t, number, moment } = useWords()
  const filter = useSearch({ from: '/patients' })
  const navigate = useNavigate({ from: '/patients' })
  const patients = usePatients(filter)
  const editor = useMayEdit()
  const [changed, setChanged] = useState<Patient | null>(null)
  const rows = patients.data?.pages.flatMap((page) => page.items) ?? []
  const sort = filter.sort ?? '-created_at'
  const sorted = (by: 'pseudonym' | 'studies' | 'created_at', label: string) => {
    const order: Order = sort === by ? 'ascending' : sort === `-${by}` ? 'descending' : 'none'
    const next = turned(sort, by)
    const onSorted = () =>
      void navigate({ to: '/patients', search: (before) => ({ ...before, sort: next }), replace: true })
    return { order, head: <SortHead label={label} order={order} onSorted={onSorted} /> }
  }
  const columns: Column<Patient>[] = [
    {
      key: 'pseudonym',
      ...sorted('pseudonym', t('patient')),
      cell: (patient) => (
        <Link to="/" search={{ search: patient.pseudonym }} className="study-link">
          {patient.pseudonym}
        </Link>
      ),
    },
    { key: 'name', head: t('login.name'), cell: (patient) => <span className="long">{patient.name}</span> },
    { key: 'born', head: t('patients.born'), numeric: true, cell: (patient) => patient.birth_year ?? '' },
    {
      key: 'studies',
      ...sorted('studies', t('studies')),
      numeric: true,
      cell: (patient) => number(patient.n_studies),
    },
    { key: 'since', ...sorted('created_at', t('patients.since')), cell: (patient) => moment(patient.created_at) },
    {
      key: 'change',
      head: <span className="unseen">{t('do.change')}</span>,
      cell: (patient) =>
        editor && (
          <IconButton
            icon={<Pencil size={14} />}
            label={t('patients.change', { who: patient.pseudonym })}
            onClick={() => setChanged(patient)}
          />
        ),
    },
  ]
  return (
    <div className="page">
      <h1>{t('patients.title')}</h1>
      {patients.error && <FailureNotice error={patients.error} onRetry={() => void patients.refetch()} />}
      {patients.isPending && <p className="quiet-text">{t('loading')}</p>}
      {patients.data && rows.length === 0 && (
        <EmptyState title={t(filter.search ? 'patients.nothing' : 'patients.none')} />
      )}
      {rows.length > 0 && (
        <Table label={t('patients.title')} columns={columns} rows={rows} rowKey={(patient) => patient.id} />
      )}
      {patients.hasNextPage && (
        <Button
          className="show-more"
          disabled={patients.isFetchingNextPage}
          onClick={() => void patients.fetchNextPage()}
        >
          {t('worklist.more')}
        </Button>
      )}
      {changed && <PatientDialog patient={changed} onClose={() => setChanged(null)} />}
    </div>
  )
}
