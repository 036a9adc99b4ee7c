package xmpp82

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"busbar.example/xmpp/jid"
)

// An association id is two halves, 0–999 without leading zeros: the client's, a colon, the server's.
// Before the server has answered, the client's half stands alone.

const (
	idHalves = 1000
	idRest   = 20 * time.Minute // how long a half is not used again for the same peer
)

func validID(s string) bool {
	client, server, both := strings.Cut(s, ":")
	return validHalf(client) && (!both || validHalf(server))
}

func validHalf(s string) bool {
	if len(s) == 0 || len(s) > 3 || len(s) > 1 && s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// clientHalf is the part before the colon, and whether there is one.
func clientHalf(id string) (string, bool) {
	half, _, both := strings.Cut(id, ":")
	return half, both
}

var errNoIDs = errors.New("all association ids towards this peer are in use or were used in the last 20 minutes: wait, and keep associations instead of making new ones")

// idPool remembers which halves of our own are or were lately in use towards each account: resources can be had
// in any number. It forgets an account when nothing is left to remember.
type idPool struct {
	peers map[jid.JID]map[uint16]time.Time // by bare JID: when the half may be used again; zero while it is in use
	swept time.Time
}

// take gives a random half that is not in use towards peer, and that acceptable likes.
func (p *idPool) take(peer jid.JID, now time.Time, acceptable func(string) bool) (string, error) {
	p.sweep(now)
	peer = peer.Bare()
	used := p.peers[peer]
	if used == nil {
		if p.peers == nil {
			p.peers = make(map[jid.JID]map[uint16]time.Time)
		}
		used = make(map[uint16]time.Time)
		p.peers[peer] = used
	}
	first := randomHalf()
	for i := range uint16(idHalves) {
		half := (first + i) % idHalves
		if again, known := used[half]; known && (again.IsZero() || now.Before(again)) {
			continue
		}
		if s := strconv.Itoa(int(half)); acceptable(s) {
			used[half] = time.Time{}
			return s, nil
		}
	}
	return "", errNoIDs
}

// release starts the rest of a half.
func (p *idPool) release(peer jid.JID, half string, now time.Time) {
	used := p.peers[peer.Bare()]
	if n, err := strconv.ParseUint(half, 10, 16); err == nil && used != nil {
		used[uint16(n)] = now.Add(idRest)
	}
}

func (p *idPool) sweep(now time.Time) {
	if now.Sub(p.swept) < time.Minute {
		return
	}
	p.swept = now
	for peer, used := range p.peers {
		for half, again := range used {
			if !again.IsZero() && !now.Before(again) {
				delete(used, half)
			}
		}
		if len(used) == 0 {
			delete(p.peers, peer)
		}
	}
}

// randomHalf is uniform over 0–999: values that would bias the remainder are drawn again.
func randomHalf() uint16 {
	var b [2]byte
	for {
		rand.Read(b[:]) // never fails: crypto/rand ends the program instead
		if n := binary.BigEndian.Uint16(b[:]); n < 65000 {
			return n % idHalves
		}
	}
}
