import { Link } from '@tanstack/react-router'
import {
  Camera,
  ChevronLeft,
  Columns3,
  Eraser,
  Maximize,
  MousePointer2,
  PaintBucket,
  PanelRight,
  Pencil,
  Pointer,
  Ruler,
  SlidersHorizontal,
  SunMedium,
} from 'lucide-react'
import type { Dispatch, ReactNode } from 'react'
import type { Study } from '../api/types'
import { changeSettings, useSettings } from '../app/settings'
import { IconButton } from '../ui/Button'
import { Menu } from '../ui/Menu'
import type { Tool } from '../viewer/gesture'
import { useWords } from '../words/useWords'
import { type Change, drawnSequence, LAYOUTS, type Scene } from './scene'

interface ToolbarProps {
  study: Study
  scene: Scene
  dispatch: Dispatch<Change>
  /** The Segmentation button, at the top left. */
  segmentation: ReactNode
  /** Which version is on screen, and the button that accepts it. */
  version: ReactNode
  mayEdit: boolean
  onPreset: (preset: number) => void
  onScreenshot: () => void
  onFullScreen: () => void
}

const TOOLS: readonly (readonly [Tool, string, ReactNode])[] = [
  ['cursor', 'Esc', <MousePointer2 key="cursor" size={16} />],
  ['window', 'W', <SunMedium key="window" size={16} />],
  ['ruler', 'L', <Ruler key="ruler" size={16} />],
  ['pick', 'C', <Pointer key="pick" size={16} />],
  ['brush', 'P', <Pencil key="brush" size={16} />],
  ['eraser', 'E', <Eraser key="eraser" size={16} />],
  ['fill', 'G', <PaintBucket key="fill" size={16} />],
]
const EDITING: readonly Tool[] = ['pick', 'brush', 'eraser', 'fill']
const PRESETS = [1, 2, 3, 4, 0] as const

/** One line over the panes: what is looked at, and what the hand does. */
export function Toolbar(props: ToolbarProps) {
  const { study, scene, dispatch, mayEdit } = props
  const { t, named, day } = useWords()
  const { display } = useSettings()
  const drawn = drawnSequence(scene)
  return (
    <div className="toolbar" role="toolbar" aria-label={t('study.toolbar')}>
      <Link
        to="/"
        className="button quiet icon-only"
        aria-label={t('frame.to_worklist')}
        title={t('frame.to_worklist')}
      >
        <ChevronLeft size={18} />
      </Link>
      {props.segmentation}
      <span className="who">
        <b>{study.patient.pseudonym}</b>
        {study.date && <span className="numeric">{day(study.date)}</span>}
      </span>
      <fieldset className="sequence-tabs">
        <legend className="unseen">{t('sequence')}</legend>
        {scene.sequences.map((sequence) => (
          <button
            key={sequence}
            type="button"
            aria-pressed={sequence === drawn}
            title={`${named(`sequence.${sequence}`)} (${['t1n', 't1c', 't2w', 't2f'].indexOf(sequence) + 1})`}
            onClick={() => dispatch({ kind: 'sequence', sequence })}
          >
            {named(`sequence.${sequence}`)}
          </button>
        ))}
      </fieldset>
      <Menu
        label={t(`study.layout.${scene.layout}`)}
        name={t('study.layout', { layout: t(`study.layout.${scene.layout}`) })}
        icon={<Columns3 size={16} />}
        look="quiet"
        items={LAYOUTS.map((layout) => ({
          key: layout,
          label: t(`study.layout.${layout}`),
          chosen: layout === scene.layout,
          disabled: layout === 'compare' && study.segmentations.length < 2,
          onChosen: () => dispatch({ kind: 'layout', layout }),
        }))}
      />
      <fieldset className="viewer-tools">
        <legend className="unseen">{t('study.tools')}</legend>
        {TOOLS.filter(([tool]) => mayEdit || !EDITING.includes(tool)).map(([tool, key, icon]) => (
          <IconButton
            key={tool}
            icon={icon}
            label={t(`study.tool.${tool}`)}
            hint={key}
            pressed={scene.tool === tool}
            onClick={() => dispatch({ kind: 'tool', tool })}
          />
        ))}
      </fieldset>
      <Menu
        label={<span className="unseen">{t('study.windows')}</span>}
        name={t('study.windows')}
        icon={<SlidersHorizontal size={16} />}
        look="quiet"
        items={PRESETS.map((preset) => ({
          key: String(preset),
          label: t(`study.window.${preset}`),
          hint: `Shift ${preset}`,
          onChosen: () => props.onPreset(preset),
        }))}
      />
      <button
        type="button"
        className="button quiet"
        title={t('settings.display')}
        onClick={() => changeSettings({ display: display === 'radiological' ? 'neurological' : 'radiological' })}
      >
        {t(`study.display.${display}`)}
      </button>
      <span className="toolbar-end">
        {props.version}
        <Menu
          label={<span className="unseen">{t('study.picture')}</span>}
          name={t('study.picture')}
          icon={<Camera size={16} />}
          look="quiet"
          align="end"
          items={[
            { key: 'screenshot', label: t('study.screenshot'), hint: 'I', onChosen: props.onScreenshot },
            // Later, when the menu itself is gone from the page.
            {
              key: 'print',
              label: t('study.print'),
              hint: 'Ctrl P',
              onChosen: () => setTimeout(() => window.print(), 0),
            },
          ]}
        />
        <IconButton
          icon={<Maximize size={16} />}
          label={t('study.full_screen')}
          hint="F"
          onClick={props.onFullScreen}
        />
        <IconButton
          icon={<PanelRight size={16} />}
          label={t('study.panels')}
          hint="H"
          pressed={scene.panels}
          onClick={() => dispatch({ kind: 'panels' })}
        />
      </span>
    </div>
  )
}
