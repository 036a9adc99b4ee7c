package e2e

import (
	"fmt"
	"slices"
	"testing"
)

// Every list of algorithms at the client meets every list at the server, in each mode. The server takes the first of its
// own of what is offered, the client takes that choice; where there is none, the server says what is missing.
func TestEveryOfferMeetsEveryAcceptance(t *testing.T) {
	for _, mode := range []Mode{Encrypted, Clear} {
		lists := ordered(mode.Algorithms())
		chosen, refused := 0, make(map[fmt.Stringer]int)
		for _, ours := range lists {
			client := &endpoint{Config: Config{Mode: mode, Algorithms: ours}}
			for _, theirs := range lists {
				server := &endpoint{Config: Config{Mode: mode, Algorithms: theirs}}
				want, diag := settled(ours, theirs)
				s, choice, f := server.checkOffer(client.offer())
				switch {
				case diag != 0:
					if f == nil || f.diag != diag {
						t.Fatalf("%v offered to %v: chose %v, fault %v; want it refused with %v", ours, theirs, s.alg, f, diag)
					}
					refused[diag]++
					continue
				case f != nil || s.alg != want:
					t.Fatalf("%v offered to %v: chose %v, fault %v; want %v", ours, theirs, s.alg, f, want)
				}
				if got, f := client.checkChoice(choice); f != nil || got != s {
					t.Fatalf("%v offered to %v: the client reads the choice of %v as %v, fault %v", ours, theirs, s, got, f)
				}
				chosen++
			}
		}
		if chosen == 0 || len(refused) == 0 {
			t.Errorf("%v: %d choices and %d kinds of refusals", mode, chosen, len(refused))
		}
	}
}

// settled is what the lists of both ends come to, or how the server refuses.
func settled(client, server []Algorithm) (Algorithm, HandshakeDiagnostics) {
	kind := func(a Algorithm) string {
		switch a {
		case AES256GCM, AES128GCM:
			return "AEAD"
		case AES256CBC, AES128CBC:
			return "CBC"
		}
		return "ICV"
	}
	offered := kind(client[0])
	alike := false
	for _, a := range server {
		if kind(a) != offered {
			continue
		}
		alike = true
		if slices.Contains(client, a) {
			return a, 0
		}
	}
	switch {
	case offered == "ICV":
		return 0, IcvAlgorithmsNotSupported
	case offered == "AEAD" && alike:
		return 0, AeaAlgorithmsNotSupported
	case offered == "AEAD":
		return 0, EncrModeAeaNotSupported
	case alike:
		return 0, EncryptAlgorithmsNotSupported
	}
	return 0, AeIsRequired
}

// ordered gives every list, without repetition, of one and more of the algorithms.
func ordered(from []Algorithm) (lists [][]Algorithm) {
	for i, a := range from {
		rest := slices.Delete(slices.Clone(from), i, i+1)
		lists = append(lists, []Algorithm{a})
		for _, more := range ordered(rest) {
			lists = append(lists, append([]Algorithm{a}, more...))
		}
	}
	return lists
}
