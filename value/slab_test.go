package value

import "testing"

func TestSlabGivesWhatIsAskedFor(t *testing.T) {
	var s Slab
	var made [][]Value
	asked := 0
	allocated := testing.AllocsPerRun(1, func() {
		s, made, asked = Slab{}, make([][]Value, 0, 1000), 0
		for i := range 1000 {
			made = append(made, s.Make(i%7))
			asked += i % 7
		}
	})
	for i, m := range made {
		if len(m) != i%7 || cap(m) != i%7 {
			t.Fatalf("got length %d and capacity %d, want %d", len(m), cap(m), i%7)
		}
		for j := range m {
			if m[j].IsValid() {
				t.Fatalf("slice %d shares a value with another", i)
			}
			m[j] = Int(int64(i))
		}
	}
	if most := float64(asked) / 12; allocated > most {
		t.Errorf("got %v allocations for %d values, want at most %v", allocated, asked, most)
	}
}

func TestSlabWastesLittle(t *testing.T) {
	for _, n := range []int{1, 2, 3, 11, 16, 17, 100} {
		var s Slab
		given, inVain := 0, 0
		for range 50 {
			before := len(s.free)
			s.Make(n)
			given += n
			if len(s.free) != before-n && len(s.free) != before {
				inVain += before
			}
		}
		if inVain += len(s.free); inVain > given+slabSize {
			t.Errorf("%d at a time: %d values in vain for %d", n, inVain, given)
		}
	}
}
