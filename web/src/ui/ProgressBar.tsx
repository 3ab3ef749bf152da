interface ProgressBarProps {
  /** 0 to 1; null while nobody knows. */
  share: number | null
  /** What is going on, read aloud. */
  label: string
}

export function ProgressBar({ share, label }: ProgressBarProps) {
  const percent = share === null ? undefined : Math.round(Math.min(Math.max(share, 0), 1) * 100)
  return (
    <div
      className={share === null ? 'progress unknown' : 'progress'}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div className="progress-fill" style={{ width: `${percent ?? 30}%` }} />
    </div>
  )
}
