package value

// A Slab makes slices of values for who decodes many: several share an allocation, which lives as long as one of them. So a
// value that is kept may hold slabSize values in memory, and of what a Slab allocates, about half at most is never used. The
// zero Slab is ready.
type Slab struct {
	free []Value
	next int // length of the next allocation
}

// slabSize is the largest number of values that share an allocation.
const slabSize = 32

// Make makes a slice of n values.
func (s *Slab) Make(n int) []Value {
	if n > len(s.free) {
		if n > slabSize/2 {
			return make([]Value, n)
		}
		s.free = make([]Value, max(n, s.next))
		s.next = min(max(2*n, 2*s.next), slabSize)
	}
	made := s.free[:n:n]
	s.free = s.free[n:]
	return made
}
