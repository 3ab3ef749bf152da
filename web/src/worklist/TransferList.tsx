import { RotateCcw, X } from 'lucide-react'
import { Button, IconButton } from '../ui/Button'
import { Mark } from '../ui/Notice'
import { ProgressBar } from '../ui/ProgressBar'
import { useFailure } from '../words/useFailure'
import { useWords } from '../words/useWords'
import { timeLeft } from './JobLine'
import { secondsLeft, type Transfer } from './transfer'
import { uploads } from './uploads'

/** Files on their way: bytes, percent, time left; a failure beside the file that has it. */
export function TransferList({ transfers }: { transfers: readonly Transfer[] }) {
  const { t } = useWords()
  if (transfers.length === 0) return null
  return (
    <ul className="transfers" aria-label={t('upload.sending')}>
      {transfers.map((transfer) => (
        <TransferLine key={transfer.key} transfer={transfer} />
      ))}
    </ul>
  )
}

function TransferLine({ transfer }: { transfer: Transfer }) {
  const words = useWords()
  const failure = useFailure()
  const { t, bytes, percent } = words
  const share = transfer.bytes === 0 ? 0 : transfer.sent / transfer.bytes
  const left = secondsLeft(transfer, Date.now())
  return (
    <li className="transfer">
      <span className="clip" title={transfer.name}>
        {transfer.name}
      </span>
      <span className="figures quiet-text">{bytes(transfer.bytes)}</span>
      {transfer.state === 'failed' && transfer.error ? (
        <>
          <Mark tone="bad" title={transfer.error.problem.detail}>
            <span className="transfer-problem">{failure(transfer.error).sentence}</span>
          </Mark>
          <Button icon={<RotateCcw size={14} />} onClick={() => uploads.retry(transfer.key)}>
            {t('upload.send_again')}
          </Button>
        </>
      ) : (
        <>
          <ProgressBar share={share} label={transfer.name} />
          <span className="quiet-text">
            {transfer.state === 'waiting' ? t('upload.waiting') : <span className="figures">{percent(share)}</span>}
            {transfer.state === 'sending' && left !== null && ` · ${timeLeft(words, left)}`}
          </span>
        </>
      )}
      <IconButton
        icon={<X size={14} />}
        label={transfer.state === 'failed' ? t('do.remove') : t('upload.stop')}
        onClick={() => uploads.drop(transfer.key)}
      />
    </li>
  )
}
