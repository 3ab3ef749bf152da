import { X } from 'lucide-react'
import { address } from '../api/client'
import type { FileRole, LabelScheme, UploadFile, UploadGroup, UploadProblem } from '../api/types'
import { Button } from '../ui/Button'
import { Choice } from '../ui/Field'
import { Menu } from '../ui/Menu'
import { Mark } from '../ui/Notice'
import { isKey, useWords } from '../words/useWords'
import { Thumbnail } from './Thumbnail'
import type { FileChange } from './useUpload'

const roles: readonly FileRole[] = ['t1n', 't1c', 't2w', 't2f', 'mask']
const schemes: readonly LabelScheme[] = ['brats2020', 'brats2023', 'msd']

interface FileLineProps {
  upload: string
  file: UploadFile
  group: string
  groups: readonly UploadGroup[]
  problems: readonly UploadProblem[]
  onChanged: (change: FileChange) => void
  onRemoved: () => void
}

/** One file of an examination: picture, what it is taken for, its grid, and what is wrong with it. */
export function FileLine({ upload, file, group, groups, problems, onChanged, onRemoved }: FileLineProps) {
  const { t, bytes, number } = useWords()
  const refused = file.state === 'refused'
  const moves = [
    ...groups
      .filter((other) => other.key !== group)
      .map((other) => ({ key: other.key, label: t('upload.move.to', { title: other.title || other.key }) })),
    { key: 'new', label: t('upload.move.new') },
  ]
  const newest = () => `${file.name.slice(0, 40)}-${Date.now().toString(36)}`
  return (
    <tr className="file-line">
      <td className="cell-thumb">
        <Thumbnail
          // A file on its way has no picture yet: asking for it too early would show none for good.
          url={file.state === 'stored' ? address(`uploads/${upload}/files/${file.id}/thumbnail.png`) : null}
          label={t('upload.picture', { name: file.name })}
          size={64}
        />
      </td>
      <td className="cell-role">
        {!refused && (
          <Choice<FileRole | ''>
            label={t('upload.what', { name: file.name })}
            hideLabel
            value={file.sequence ?? ''}
            options={[
              ...(file.sequence === null ? [{ value: '' as const, label: t('upload.what.unknown') }] : []),
              ...roles.map((role) => ({ value: role, label: t(`sequence.${role}`) })),
            ]}
            onChosen={(sequence) => sequence !== '' && onChanged({ sequence })}
          />
        )}
        {file.guessed && (
          <Mark tone="caution" title={t('upload.guessed.why')}>
            {t('upload.guessed')}
          </Mark>
        )}
        {file.sequence === 'mask' && (
          <Choice<LabelScheme | ''>
            label={t('upload.scheme', { name: file.name })}
            hideLabel
            value={file.scheme ?? ''}
            options={[
              ...(file.scheme === null ? [{ value: '' as const, label: t('upload.what.unknown') }] : []),
              ...schemes.map((scheme) => ({ value: scheme, label: t(`upload.scheme.${scheme}`) })),
            ]}
            onChosen={(scheme) => scheme !== '' && onChanged({ scheme })}
          />
        )}
      </td>
      <td className="cell-name">
        <span className="clip" title={file.name}>
          {file.name}
        </span>
        {problems.map((problem) => (
          <ProblemText key={problem.code + problem.detail} problem={problem} />
        ))}
      </td>
      <td className="figures quiet-text cell-grid">
        {file.shape && <span>{file.shape.join('×')}</span>}
        {file.spacing && <span>{spacingText(file.spacing, number)} mm</span>}
        {file.orientation && <span>{file.orientation}</span>}
      </td>
      <td className="figures quiet-text numeric">{bytes(file.bytes)}</td>
      <td className="cell-actions">
        {!refused && (
          <Menu
            label={t('upload.move')}
            name={t('upload.move.name', { name: file.name })}
            look="quiet"
            align="end"
            items={moves.map((move) => ({
              ...move,
              onChosen: () => onChanged({ group: move.key === 'new' ? newest() : move.key }),
            }))}
          />
        )}
        <Button look="quiet" icon={<X size={14} />} onClick={onRemoved}>
          {t('do.remove')}
        </Button>
      </td>
    </tr>
  )
}

/** "1.0" where all three are alike. */
function spacingText(spacing: readonly number[], number: (value: number, digits: number) => string): string {
  const texts = spacing.map((mm) => number(mm, 1))
  return new Set(texts).size === 1 ? (texts[0] ?? '') : texts.join('×')
}

export function ProblemText({ problem }: { problem: UploadProblem }) {
  const { named } = useWords()
  const key = `flaw.${problem.code}`
  const known = isKey(key)
  return (
    <div className="problem" role="alert">
      <Mark tone="bad">
        <span>{known ? named(key) : problem.detail}</span>
      </Mark>
      {known && <small>{problem.detail}</small>}
    </div>
  )
}
