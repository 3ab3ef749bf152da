/** The 3D view: surfaces of the tumour inside the brain's shell. The only file that knows NiiVue. */

import { Niivue, NVMesh, SLICE_TYPE } from '@niivue/niivue'
import type { Library } from './library'
import type { SurfaceLook, SurfaceScene } from './Scene'
import { brainMesh, tissueMesh } from './solids'
import type { Mesh } from './surface'
import { REDRAW, type Viewer } from './Viewer'

/** WebGL2 is missing: the 3D view cannot be drawn, all else can. */
export class NoWebGl extends Error {}

const BRAIN = 'brain'

/** A viewer of surfaces on `canvas`. NiiVue attaches in its own time; scenes shown before that wait. */
export function createSurfaceViewer(canvas: HTMLCanvasElement, library: Library): Viewer<SurfaceScene> {
  const nv = new Niivue({
    backColor: [0, 0, 0, 1],
    show3Dcrosshair: false,
    crosshairWidth: 0,
    isOrientCube: true,
    isResizeCanvas: true,
    dragAndDropEnabled: false,
    isColorbar: false,
    loadingText: '',
    logLevel: 'error',
    clipPlaneHotKey: '',
    cycleClipPlaneHotKey: '',
    viewModeHotKey: '',
    sliceType: SLICE_TYPE.RENDER,
    multiplanarForceRender: true,
  })
  // NiiVue turns to each surface that comes, as large as the pane: what is seen first is all of them.
  canvas.style.visibility = 'hidden'
  const attached = attach(nv, canvas)
  const drawn = new Map<string, { name: string; mesh: NVMesh }>()
  let generation = 0

  const put = (key: string, name: string, make: () => Mesh, look: Pick<SurfaceLook, 'colour' | 'opacity'>) => {
    const known = drawn.get(key)
    if (known?.name === name) return
    if (known) nv.removeMesh(known.mesh)
    drawn.delete(key)
    const { points, triangles } = make()
    if (triangles.length === 0) return
    const rgba = Uint8Array.from([...look.colour, 255])
    const mesh = new NVMesh(points, triangles, key, rgba, look.opacity, true, nv.gl)
    nv.addMesh(mesh)
    drawn.set(key, { name, mesh })
  }

  const build = async (scene: SurfaceScene, mine: number) => {
    for (const look of scene.surfaces) {
      const labels = library.labels(look.mask)
      if (!labels) continue
      const name = [look.mask, library.revisionOf(look.mask), look.codes.join(), look.colour.join(), look.opacity].join(
        ' ',
      )
      put(look.key, name, () => tissueMesh(labels, look.codes), look)
      await breath()
      if (mine !== generation) return
    }
    const brain = scene.brain === null ? null : library.volume(scene.brain)
    if (brain && scene.brain) put(BRAIN, 'brain', () => brainMesh(brain), { colour: [190, 195, 200], opacity: 0.18 })
    for (const [key, { mesh }] of drawn) {
      if (key === BRAIN ? scene.brain !== null : scene.surfaces.some((look) => look.key === key)) continue
      nv.removeMesh(mesh)
      drawn.delete(key)
    }
    nv.drawScene()
    canvas.style.visibility = 'visible'
  }

  const redraw = () => void nv.drawScene()
  void attached.then(() => canvas.addEventListener(REDRAW, redraw)).catch(() => undefined)

  return {
    async show(scene) {
      const mine = ++generation
      await attached
      if (mine === generation) await build(scene, mine)
    },
    onCursor() {
      return () => undefined
    },
    async snapshot() {
      await attached
      nv.drawScene()
      return new Promise((resolve, reject) =>
        canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('the canvas gave no picture'))), 'image/png'),
      )
    },
    dispose() {
      generation++
      drawn.clear()
      canvas.removeEventListener(REDRAW, redraw)
      void attached
        .then(() => {
          nv.cleanup()
          nv.meshes = []
          nv.gl.getExtension('WEBGL_lose_context')?.loseContext()
        })
        .catch(() => undefined)
    },
  }
}

async function attach(nv: Niivue, canvas: HTMLCanvasElement): Promise<void> {
  if (!hasWebGl2()) throw new NoWebGl('WebGL2 is missing')
  await nv.attachToCanvas(canvas)
  nv.setSliceType(SLICE_TYPE.RENDER)
  nv.setRenderAzimuthElevation(200, 15)
}

let webGl2: boolean | null = null

/** Whether this browser can draw in three dimensions at all; tried once, for a context is dear. */
export function hasWebGl2(): boolean {
  if (webGl2 === null) {
    const context = document.createElement('canvas').getContext('webgl2')
    context?.getExtension('WEBGL_lose_context')?.loseContext()
    webGl2 = context !== null
  }
  return webGl2
}

/** Lets the browser draw and hear the reader between two pieces of work. */
function breath(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}
