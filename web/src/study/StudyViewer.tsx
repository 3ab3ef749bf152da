import { useQuery } from '@tanstack/react-query'
import { useCallback, useEffect, useMemo, useReducer, useRef, useState } from 'react'
import { queries } from '../api/queries'
import type { Study, Triple } from '../api/types'
import { useSettings } from '../app/settings'
import { toast } from '../ui/Toasts'
import { millilitresOf, profileOf, stopsOf } from '../viewer/profile'
import { plainGrid, throughAxis, type Vec3 } from '../viewer/space'
import { presetWindow } from '../viewer/window'
import { useWords } from '../words/useWords'
import { arrangementOf } from './arrangement'
import { changeText } from './EditPanel'
import { Hover } from './hover'
import { PaneGrid } from './PaneGrid'
import { PartDialog } from './PartDialog'
import { type Look, seriesOf } from './paneScene'
import { fillBetween } from './partEdits'
import { atPlace } from './place'
import { previewUrl } from './preview'
import { SegmentationButton } from './SegmentationButton'
import { SidePanel } from './SidePanel'
import { StatusLine } from './StatusLine'
import { StudyNotices } from './StudyNotices'
import { drawnSequence, opened, reduce } from './scene'
import { saveAs, screenshotOf } from './screenshot'
import { Toolbar } from './Toolbar'
import { useDeeds } from './useDeeds'
import { useEdits } from './useEdits'
import { useKeys } from './useKeys'
import { useLibrary, useRevision } from './useLibrary'
import { useMasks, versionsOf } from './useMasks'
import { usePlace } from './usePlace'
import { useSegmenting } from './useSegmenting'
import { useVolumes } from './useVolumes'
import { VersionMark } from './VersionMark'
import { useDecision } from './VersionsPanel'

interface StudyViewerProps {
  study: Study
  shape: Triple
  spacing: Triple
}

/** Everything of one study on one screen: wires the scene, the volumes, the edits and the panels together. */
export function StudyViewer({ study, shape, spacing }: StudyViewerProps) {
  const words = useWords()
  const settings = useSettings()
  const session = useQuery(queries.session())
  const library = useLibrary()
  const revision = useRevision(library)
  const [scene, dispatch] = useReducer(reduce, null, () => {
    const cursor: Vec3 = study.centre ?? [shape[0] >> 1, shape[1] >> 1, shape[2] >> 1]
    return atPlace(
      opened({ shape, cursor, sequences: study.series.map((one) => one.sequence) }),
      window.location.search,
    )
  })
  const [hover] = useState(() => new Hover())
  const [picked, setPicked] = useState<Vec3 | null>(null)
  const [saving, setSaving] = useState(false)
  const panes = useRef<HTMLDivElement>(null)
  const page = useRef<HTMLDivElement>(null)

  usePlace(scene)
  const volume = useVolumes(library, study, scene, revision, dispatch)
  const versions = versionsOf(scene, study.segmentations)
  const segmenting = useSegmenting(study)
  const edits = useEdits(study, versions.shown, library)
  const masks = useMasks(library, versions, edits.state, revision)
  const decide = useDecision(study)

  const { shape: drawnShape } = scene
  const grid = useMemo(() => volume?.grid ?? plainGrid(drawnShape, spacing), [volume, drawnShape, spacing])
  const look = useMemo<Look>(
    () => ({
      scene,
      grid,
      series: study.series,
      settings,
      words,
      masks,
      preview: previewUrl(scene.mask.shown ? versions.shown : null),
      revision,
    }),
    [scene, grid, study.series, settings, words, masks, versions.shown, revision],
  )
  const labels = masks.shown ? library.labels(masks.shown) : null
  const maskRevision = masks.shown ? library.revisionOf(masks.shown) : 0
  // The mask's voxels change in place: its revision says when.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above.
  const profile = useMemo(() => (labels ? profileOf(labels.values, labels.grid.shape) : null), [labels, maskRevision])
  const { steps, parent } = edits.state
  // biome-ignore lint/correctness/useExhaustiveDependencies: steps say when the voxels have changed.
  const edited = useMemo(
    () => (parent !== null && labels ? millilitresOf(labels.values, labels.grid) : null),
    [parent, steps, labels],
  )
  const before = study.segmentations.find((row) => row.id === parent)?.ml ?? null
  const volumes = edited && before ? { now: edited, before } : null

  const openArea = useCallback(() => toast({ text: words.t('study.open_area') }), [words])
  const onPick = useCallback((seed: Vec3) => setPicked(seed), [])
  const deeds = useDeeds({
    look,
    library,
    editing: edits.editing,
    dispatch,
    begin: edits.begin,
    onPick,
    onOpenArea: openArea,
  })
  const onHover = useCallback((at: Vec3 | null) => hover.move(at), [hover])
  const mayEdit = session.data?.person.role !== 'viewer'

  const onSegmentation = () => {
    if (versions.shown) dispatch({ kind: 'mask_shown' })
    else if (!segmenting.running && mayEdit && study.missing.length === 0) segmenting.start()
  }
  const onPreset = (preset: number) => {
    const sequence = drawnSequence(scene)
    const spread = library.spread(seriesOf(study.series, sequence)?.url ?? '')
    dispatch({ kind: 'window', sequence, window: preset === 0 || !spread ? null : presetWindow(spread, preset) })
  }
  const onSave = async (note: string) => {
    if (!edits.state.changed || saving) return
    setSaving(true)
    try {
      const change = volumes ? changeText(words, volumes) : ''
      const row = await edits.save(note)
      dispatch({ kind: 'version', version: row.id })
      toast({ text: words.t('study.saved', { n: row.number, change }) })
    } catch {
      toast({ tone: 'bad', text: words.t('study.save_failed') })
    } finally {
      setSaving(false)
    }
  }
  const onScreenshot = async () => {
    if (!panes.current) return
    const date = study.date ? words.day(study.date) : ''
    const mask = versions.shown
      ? `${words.t('study.version', { n: versions.shown.number })}, ${words.named(`state.${versions.shown.state}`)}`
      : words.named('state.unsegmented')
    const left = [
      study.patient.pseudonym,
      date,
      words.named(`sequence.${drawnSequence(scene)}`),
      mask,
      words.t(`study.display.${settings.display}`),
    ]
      .filter(Boolean)
      .join('  ·  ')
    saveAs(
      await screenshotOf(panes.current, { left, right: words.t('research_use') }),
      `${study.patient.pseudonym}-${study.date ?? 'study'}.png`,
    )
  }
  const onFullScreen = () =>
    void (document.fullscreenElement ? document.exitFullscreen() : page.current?.requestFullscreen())

  useKeys({ scene, profile, convention: settings.display }, dispatch, {
    segmentation: onSegmentation,
    preset: onPreset,
    undo: () => edits.editing.undo(),
    redo: () => edits.editing.redo(),
    save: () => void onSave(''),
    accept: () => {
      const { shown } = versions
      if (mayEdit && shown && shown.state !== 'accepted') decide.mutate({ row: shown, state: 'accepted' })
    },
    screenshot: () => void onScreenshot(),
    fullScreen: onFullScreen,
  })
  useEffect(() => {
    document.title = `${study.patient.pseudonym} – Glioscope`
  }, [study.patient.pseudonym])

  const arrangement = arrangementOf(scene, profile ? stopsOf(profile[throughAxis(scene.plane)]) : null)
  return (
    <div className={`study ${scene.panels ? '' : 'bare'}`} ref={page}>
      <Toolbar
        study={study}
        scene={scene}
        dispatch={dispatch}
        mayEdit={mayEdit}
        segmentation={
          <SegmentationButton
            segmenting={segmenting}
            hasMask={versions.shown !== null}
            shown={scene.mask.shown}
            mayStart={mayEdit && study.missing.length === 0}
            onPressed={onSegmentation}
          />
        }
        version={
          <VersionMark
            shown={versions.shown}
            edit={edits.state}
            mayEdit={mayEdit}
            onAccept={(row) => decide.mutate({ row, state: 'accepted' })}
          />
        }
        onPreset={onPreset}
        onScreenshot={() => void onScreenshot()}
        onFullScreen={onFullScreen}
      />
      <StudyNotices study={study} library={library} segmenting={segmenting} />
      <div className="study-body">
        <PaneGrid
          ref={panes}
          arrangement={arrangement}
          look={look}
          library={library}
          profile={profile}
          deeds={deeds}
          onHover={onHover}
          dispatch={dispatch}
        />
        {scene.panels && (
          <SidePanel
            study={study}
            look={look}
            versions={versions}
            edits={edits}
            volumes={volumes}
            mayEdit={mayEdit}
            saving={saving}
            dispatch={dispatch}
            onSave={(note) => void onSave(note)}
            onBetween={() => {
              if (!edits.begin()) return
              const { brush, plane } = scene
              const image = library.volume(seriesOf(study.series, drawnSequence(scene))?.url ?? '')?.values ?? null
              edits.editing.step((stroke, mask) =>
                fillBetween(stroke, mask, plane, brush.tissue, { rule: brush.rule, image }),
              )
            }}
          />
        )}
      </div>
      <StatusLine look={look} library={library} hover={hover} />
      {picked && labels && (
        <PartDialog
          seed={picked}
          labels={labels}
          editing={edits.editing}
          begin={edits.begin}
          onClose={() => setPicked(null)}
        />
      )}
    </div>
  )
}
