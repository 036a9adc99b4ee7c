package mmsmap

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"busbar.example/acsi"
	"busbar.example/mms"
)

// strandsOf reads "ST: a b, MX: b c, ~CF: a c"; ~ is for loose.
func strandsOf(t *testing.T, text string) []strand {
	t.Helper()
	var strands []strand
	for _, one := range strings.Split(text, ", ") {
		one, loose := strings.CutPrefix(one, "~")
		name, parts, _ := strings.Cut(one, ": ")
		fc, err := acsi.ParseFC(name)
		if err != nil {
			t.Fatal(err)
		}
		s := strand{fc: fc, loose: loose}
		for _, part := range strings.Fields(parts) {
			s.parts = append(s.parts, mms.TypeComponent{ComponentName: part, ComponentType: mms.BooleanType{}})
		}
		strands = append(strands, s)
	}
	return strands
}

func TestBraid(t *testing.T) {
	for _, tc := range []struct{ name, strands, want string }{
		{"one", "ST: c a b", "c[ST] a[ST] b[ST]"},
		{"apart", "ST: b a, MX: d c", "b[ST] a[ST] d[MX] c[MX]"},
		{"in common", "ST: b c, MX: a c", "b[ST] a[MX] c[ST MX]"},
		{"a later one comes first", "ST: c, MX: a b c", "a[MX] b[MX] c[ST MX]"},
		{"three", "ST: m b, MX: m v, CF: m v z, DC: m z b", "m[ST MX CF DC] v[MX CF] z[CF DC] b[ST DC]"},
		{"contradiction", "ST: a b, MX: b a", "a[ST] b[ST MX] a[MX]"},
		{"loose takes the order of the others", "CF: c b a, ~MX: a b c", "c[CF MX] b[CF MX] a[CF MX]"},
		{"loose has more", "~MX: a b z, ST: b", "b[MX ST] a[MX] z[MX]"},
		{"loose only", "~MX: a c, ~CF: b c", "a[MX] c[MX CF] b[CF]"},
		{"nothing", "ST: , ~MX: ", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var got []string
			err := braid(strandsOf(t, tc.strands), func(name string, under []constrained) error {
				var fcs []string
				for _, u := range under {
					fcs = append(fcs, u.fc.String())
				}
				got = append(got, name+"["+strings.Join(fcs, " ")+"]")
				return nil
			})
			if joined := strings.Join(got, " "); err != nil || joined != tc.want {
				t.Errorf("%s: got %s %v, want %s", tc.strands, joined, err, tc.want)
			}
		})
	}
}

// Whatever the peer says, nothing is lost and each order is kept; and if it has one order, nothing comes twice.
func TestBraidKeepsEveryOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		order := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-h]`), 0, 8, rapid.ID).Draw(t, "order")
		oneOrder := rapid.Bool().Draw(t, "one order")
		var strands []strand
		for _, fc := range acsi.FCs()[:rapid.IntRange(0, 5).Draw(t, "strands")] {
			s := strand{fc: fc, loose: rapid.Bool().Draw(t, "loose")}
			names := slices.DeleteFunc(slices.Clone(order), func(string) bool { return rapid.Bool().Draw(t, "left out") })
			if !oneOrder {
				names = rapid.Permutation(names).Draw(t, "permutation")
			}
			if s.loose {
				slices.Sort(names)
			}
			for _, name := range names {
				s.parts = append(s.parts, mms.TypeComponent{ComponentName: name, ComponentType: mms.BooleanType{}})
			}
			strands = append(strands, s)
		}
		want := make(map[acsi.FC][]string)
		for _, s := range strands {
			for _, part := range s.parts {
				want[s.fc] = append(want[s.fc], part.ComponentName)
			}
		}
		got, times := make(map[acsi.FC][]string), make(map[string]int)
		braid(strands, func(name string, under []constrained) error {
			times[name]++
			for _, u := range under {
				got[u.fc] = append(got[u.fc], name)
			}
			return nil
		})
		for _, s := range strands {
			if s.loose {
				slices.Sort(got[s.fc])
			}
			if !slices.Equal(got[s.fc], want[s.fc]) {
				t.Fatalf("under %v: got %v, want %v", s.fc, got[s.fc], want[s.fc])
			}
		}
		for name, n := range times {
			if n > 1 && oneOrder {
				t.Fatalf("%s comes %d times", name, n)
			}
		}
	})
}
