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
	idRound  = 2 * idRest       // in which the clock goes through all halves: one each 2.4 s
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

// take gives the client's half of an id: one that is not in use towards peer, was not of late, and that acceptable
// likes. The clock gives the first that is looked at, and comes round in twice the time that a half rests: a process that
// has started anew does not remember what it used, and its peer does.
func (p *idPool) take(peer jid.JID, now time.Time, acceptable func(string) bool) (string, error) {
	first := uint16(now.UnixMilli() / (idRound.Milliseconds() / idHalves) % idHalves)
	used := p.of(peer, now)
	if again, known := used[first]; known && (again.IsZero() || now.Before(again)) {
		first = randomHalf()
	}
	return takeFrom(used, first, now, acceptable)
}

// retake is take after a peer has refused a half as used before: what the clock gives next may be no better.
func (p *idPool) retake(peer jid.JID, now time.Time, acceptable func(string) bool) (string, error) {
	return takeFrom(p.of(peer, now), randomHalf(), now, acceptable)
}

// answer gives the server's half of an id. Where all are in use or rest, it is the one that has rested longest: an
// account may come under any number of resources, and towards one of them the client's half differs.
func (p *idPool) answer(peer jid.JID, now time.Time, acceptable func(string) bool) (string, error) {
	used := p.of(peer, now)
	half, err := takeFrom(used, randomHalf(), now, acceptable)
	if err == nil {
		return half, nil
	}
	longest, found := uint16(0), false
	for n, again := range used {
		if again.IsZero() || found && !again.Before(used[longest]) || !acceptable(strconv.Itoa(int(n))) {
			continue
		}
		longest, found = n, true
	}
	if !found {
		return "", err
	}
	used[longest] = time.Time{}
	return strconv.Itoa(int(longest)), nil
}

// of is what is remembered of an account.
func (p *idPool) of(peer jid.JID, now time.Time) map[uint16]time.Time {
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
	return used
}

func takeFrom(used map[uint16]time.Time, first uint16, now time.Time, acceptable func(string) bool) (string, error) {
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
