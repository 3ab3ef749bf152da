import { ImageOff } from 'lucide-react'
import { useState } from 'react'

/** A small picture of a slice; its place is black from the start, so that nothing jumps. */
export function Thumbnail({ url, label, size }: { url: string | null; label: string; size: number }) {
  const [broken, setBroken] = useState<string | null>(null)
  return (
    <span className="thumbnail" style={{ width: size, height: size }}>
      {url !== null && broken !== url ? (
        <img src={url} alt={label} width={size} height={size} loading="lazy" onError={() => setBroken(url)} />
      ) : (
        <ImageOff size={14} aria-hidden="true" />
      )}
    </span>
  )
}
