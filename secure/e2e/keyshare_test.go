package e2e

import (
	"bytes"
	"crypto/elliptic"
	"math/big"
	"testing"

	"busbar.example/secure/audit"
)

// TestE9: public keys that are no point of the curve, or no member of the subgroup. They are signed:
// the peer itself is bad.
func TestE9(t *testing.T) {
	t.Run("group 23", func(t *testing.T) { testE9(t, GroupP256, badPoints(t)) })
	t.Run("group 14", func(t *testing.T) { testE9(t, GroupMODP2048, badResidues()) })
}

func testE9(t *testing.T, g Group, bad map[string][]byte) {
	for name, public := range bad {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Groups, w.server.Groups = []Group{g}, []Group{g}
			w.responder = w.newResponder()
			req := w.forgedRequest(w.client, func(p *HandshakeReq) { p.TBS.Token1.DHKey.PublicKey = public })
			_, err := w.responder.Open(w.now, clientFull, "17", req)
			if r := w.refusal(err, audit.E2EKeyShare); r.Told != "" {
				t.Errorf("told %q", r.Told)
			}
			wantEvent(t, w.seen, audit.E2EKeyShare)
			i, _ := w.request("17")
			_, _, err = i.Answer(w.now, serverFull, "17:934", w.forgedAccept(w.server, func(p *HandshakeAcc) {
				p.TBS.Token1.DHKey.PublicKey = public
			}))
			w.refusal(err, audit.E2EKeyShare)
			wantEvent(t, w.heard, audit.E2EKeyShare)
			client, server := w.associate()
			set := DiffieHellmanSet{g.number(), public}
			w.refusedBy(server, w.sealed(client, func(t *ClearToken2) { t.Rekey = &set }), audit.E2EKeyShare)
		})
	}
}

// badResidues are what group 14 has no public key of.
func badResidues() map[string][]byte {
	one, p := big.NewInt(1), modp2048
	octets := func(n *big.Int) []byte { return n.FillBytes(make([]byte, modpSize)) }
	good := new(big.Int).Exp(big.NewInt(2), big.NewInt(1<<40), p)
	return map[string][]byte{
		"empty":                     {},
		"0":                         octets(new(big.Int)),
		"1":                         octets(one),
		"p-1, of order 2":           octets(new(big.Int).Sub(p, one)),
		"p":                         octets(p),
		"p+1":                       octets(new(big.Int).Add(p, one)),
		"all ones":                  bytes.Repeat([]byte{0xff}, modpSize),
		"p-2, of order p-1":         octets(new(big.Int).Sub(p, big.NewInt(2))),
		"minus one of the subgroup": octets(new(big.Int).Sub(p, good)),
		"without leading zeros":     big.NewInt(4).Bytes(),
		"too long":                  append([]byte{0}, octets(good)...),
	}
}

// badPoints are what the curve has no public key of.
func badPoints(t *testing.T) map[string][]byte {
	key, err := newKeyPair(GroupP256)
	if err != nil {
		t.Fatal(err)
	}
	good := key.public().PublicKey
	p := elliptic.P256().Params().P
	point := func(x, y *big.Int) []byte {
		b := make([]byte, 65)
		b[0] = 4
		x.FillBytes(b[1:33])
		y.FillBytes(b[33:])
		return b
	}
	off := bytes.Clone(good)
	off[64] ^= 1
	return map[string][]byte{
		"empty":              {},
		"identity":           {0},
		"identity, 65":       make([]byte, 65),
		"zero point":         point(new(big.Int), new(big.Int)),
		"one":                point(big.NewInt(1), big.NewInt(1)),
		"p-1":                point(new(big.Int).Sub(p, big.NewInt(1)), new(big.Int).Sub(p, big.NewInt(1))),
		"coordinates over p": point(p, p),
		"off the curve":      off,
		"compressed":         append([]byte{2}, good[1:33]...),
		"hybrid form":        append([]byte{6}, good[1:]...),
		"too long":           append(bytes.Clone(good), 0),
		"too short":          good[:64],
		"another curve's":    point(big.NewInt(5), big.NewInt(11)),
	}
}

func TestGroup14IsWhatItShouldBe(t *testing.T) {
	q := new(big.Int).Rsh(modp2048, 1)
	if modp2048.BitLen() != 2048 || !modp2048.ProbablyPrime(10) || !q.ProbablyPrime(10) {
		t.Error("p and (p-1)/2 are not both prime")
	}
	if new(big.Int).Exp(big.NewInt(2), q, modp2048).Cmp(big.NewInt(1)) != 0 {
		t.Error("2 does not generate the subgroup of prime order")
	}
}

// The secret of group 14 keeps its leading zeros, and private keys have one length.
func TestSecretsHaveTheirFullLength(t *testing.T) {
	four, f := readPublicKey(GroupMODP2048, big.NewInt(4).FillBytes(make([]byte, modpSize)))
	if f != nil {
		t.Fatal(f.text)
	}
	z, err := (&keyPair{group: GroupMODP2048, x: big.NewInt(2)}).secret(four)
	if want := big.NewInt(16).FillBytes(make([]byte, modpSize)); err != nil || !bytes.Equal(z, want) {
		t.Errorf("4² is %x, %v", z, err)
	}
	for _, g := range []Group{GroupP256, GroupMODP2048} {
		a, err := newKeyPair(g)
		if err != nil {
			t.Fatal(err)
		}
		b, err := newKeyPair(g)
		if err != nil {
			t.Fatal(err)
		}
		if g == GroupMODP2048 && a.x.BitLen() != modpBits {
			t.Errorf("a private key has %d bits, want %d", a.x.BitLen(), modpBits)
		}
		public := b.public().PublicKey
		read, f := readPublicKey(g, public)
		if f != nil {
			t.Fatal(f.text)
		}
		if !bytes.Equal(read.octets(), public) {
			t.Errorf("%v: a public key is written as %x, want %x", g, read.octets(), public)
		}
		ours, err := a.secret(read)
		if err != nil {
			t.Fatal(err)
		}
		theirs := zOf(t, b, a.public().PublicKey)
		if want := map[Group]int{GroupP256: 32, GroupMODP2048: 256}[g]; !bytes.Equal(ours, theirs) || len(ours) != want {
			t.Errorf("%v: the secrets are %x and %x, want the same %d octets", g, ours, theirs, want)
		}
	}
}
