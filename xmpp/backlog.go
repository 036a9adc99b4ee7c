package xmpp

import "sync"

// chunks are for the stanzas that wait to be acknowledged: who has sent nothing has
// none of them.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

const (
	chunkSize = 1 << 10
	keptSizes = 64 // entries of a slice that an empty backlog keeps
)

// A backlog holds stanzas in the order in which they were sent, in chunks that are
// shared with all other backlogs. The zero value is empty.
type backlog struct {
	chunks []*[chunkSize]byte
	first  int      // where the oldest stanza begins, in the first chunk
	octets int      // of all stanzas
	sizes  []uint32 // of each stanza; those before head are gone
	head   int
}

// count returns the number of stanzas.
func (b *backlog) count() int { return len(b.sizes) - b.head }

// push adds the stanza that is the concatenation of parts.
func (b *backlog) push(parts [][]byte) {
	n := 0
	for _, p := range parts {
		n += len(p)
		for len(p) > 0 {
			end := b.first + b.octets
			if end == len(b.chunks)*chunkSize {
				b.chunks = append(b.chunks, chunks.Get().(*[chunkSize]byte))
			}
			k := copy(b.chunks[end/chunkSize][end%chunkSize:], p)
			b.octets += k
			p = p[k:]
		}
	}
	b.sizes = append(b.sizes, uint32(n))
}

// drop removes the oldest n stanzas, of which there are as many.
func (b *backlog) drop(n int) {
	octets := 0
	for _, size := range b.sizes[b.head : b.head+n] {
		octets += int(size)
	}
	b.head += n
	b.first += octets
	b.octets -= octets
	if b.octets == 0 && b.head == len(b.sizes) {
		b.clear()
		return
	}
	full := b.first / chunkSize
	b.release(full)
	b.first -= full * chunkSize
	if b.head >= keptSizes && 2*b.head >= len(b.sizes) {
		b.sizes = append(b.sizes[:0], b.sizes[b.head:]...)
		b.head = 0
	}
}

// clear removes all stanzas.
func (b *backlog) clear() {
	b.release(len(b.chunks))
	b.first, b.octets, b.head, b.sizes = 0, 0, 0, b.sizes[:0]
	if cap(b.sizes) > keptSizes {
		b.sizes = nil
	}
	if cap(b.chunks) > keptSizes {
		b.chunks = nil
	}
}

// release gives the first n chunks back.
func (b *backlog) release(n int) {
	for _, c := range b.chunks[:n] {
		chunks.Put(c)
	}
	left := copy(b.chunks, b.chunks[n:])
	clear(b.chunks[left:])
	b.chunks = b.chunks[:left]
}

// appendTo appends the octets of all stanzas.
func (b *backlog) appendTo(dst []byte) []byte {
	for at, end := b.first, b.first+b.octets; at < end; {
		piece := b.chunks[at/chunkSize][at%chunkSize:]
		piece = piece[:min(len(piece), end-at)]
		dst = append(dst, piece...)
		at += len(piece)
	}
	return dst
}

// each shows every stanza to f, the oldest first.
func (b *backlog) each(f func(stanza []byte)) {
	all := b.appendTo(make([]byte, 0, b.octets))
	for _, size := range b.sizes[b.head:] {
		f(all[:size:size])
		all = all[size:]
	}
}
