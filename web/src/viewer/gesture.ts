/** What a press of the mouse or pen means, by button, held keys, the chosen tool and the reader's habit. */

export type Tool = 'cursor' | 'window' | 'ruler' | 'brush' | 'eraser' | 'fill' | 'pick'
export type Habit = 'itksnap' | 'pacs'
export type Deed = 'cursor' | 'window' | 'zoom' | 'pan' | 'ruler' | 'paint' | 'erase' | 'fill' | 'pick'

export interface Press {
  readonly button: number
  readonly shift: boolean
  readonly ctrl: boolean
}

/** The deed of a press; null where nothing should happen. */
export function deedOf(press: Press, tool: Tool, habit: Habit): Deed | null {
  if (press.button === 1) return 'pan'
  if (press.button === 2) return 'zoom'
  if (press.button !== 0) return null
  if (press.shift) return 'window'
  switch (tool) {
    case 'cursor':
      return habit === 'pacs' && !press.ctrl ? 'window' : 'cursor'
    case 'window':
      return 'window'
    case 'ruler':
      return 'ruler'
    case 'brush':
      return press.ctrl ? 'erase' : 'paint'
    case 'eraser':
      return 'erase'
    case 'fill':
      return 'fill'
    case 'pick':
      return 'pick'
  }
}

/** Slices for a wheel event: one a notch, and a touchpad's small steps added up. */
export class Wheel {
  #rest = 0

  steps(deltaY: number, deltaMode: number): number {
    const pixels = deltaMode === 1 ? deltaY * 33 : deltaMode === 2 ? deltaY * 400 : deltaY
    // A notch of a mouse is 100 or 120 pixels: always exactly one slice.
    if (Math.abs(pixels) >= 60) {
      this.#rest = 0
      return Math.sign(pixels)
    }
    this.#rest += pixels
    const steps = Math.trunc(this.#rest / 20)
    this.#rest -= steps * 20
    return steps
  }
}
