import { expect, test } from 'vitest'
import { sortPicked } from './pick'

test('NIfTI and ZIP are sent, litter is ignored in silence, the rest is named', () => {
  const names = [
    'a/x_T1.nii.gz',
    'a/.DS_Store',
    '__MACOSX/a/._x_T1.nii.gz',
    'b.NII',
    'c.zip',
    'notes.txt',
    'd.nii.gz.part',
  ]
  const { files, left } = sortPicked(names.map((name) => ({ name, file: new File([], name) })))
  expect(files.map((file) => file.name)).toEqual(['a/x_T1.nii.gz', 'b.NII', 'c.zip'])
  expect(left).toEqual(['notes.txt', 'd.nii.gz.part'])
})
