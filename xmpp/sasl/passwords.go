package sasl

import (
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"busbar.example/xmpp/jid"
)

// Passwords are the accounts that may log in by password, and a count of those
// who tried and could not. The zero value has none. Its methods may be called
// from several goroutines.
type Passwords struct {
	mu         sync.Mutex
	secret     []byte
	accounts   map[jid.JID]Verifier
	sha1       map[jid.JID]Verifier // of those that were registered, for SCRAM-SHA-1
	iterations []int                // that there are among the accounts
	strikes    map[string]time.Time // by source: when its last refusal is forgiven
}

const (
	maxStrikes  = 30              // wrong passwords that a source may try in a row
	forgiveness = 2 * time.Second // after which it may try another
	maxSources  = 4096            // that are remembered
)

// Set replaces the accounts, whose verifiers pass Check. secret makes up what is
// said of accounts that do not exist, so it should stay the same when the server
// starts again; without one it is drawn at random.
func (p *Passwords) Set(secret []byte, accounts map[jid.JID]Verifier) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case len(secret) > 0:
		p.secret = slices.Clone(secret)
	case p.secret == nil:
		p.secret = []byte(rand.Text())
	}
	p.accounts, p.sha1 = maps.Clone(accounts), nil
	p.iterations = nil
	for _, v := range accounts {
		p.iterations = append(p.iterations, v.Iterations)
	}
	slices.Sort(p.iterations)
	p.iterations = slices.Compact(p.iterations)
}

// Register adds an account, or sets its password anew, for every mechanism that
// proves passwords: those of [LegacyServers] too. It computes little to make it hard
// to guess the password from what is kept, as befits accounts of tests.
func (p *Passwords) Register(account jid.JID, password string) error {
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails: crypto/rand ends the program instead
	strong, err := withSHA256.verifier(password, salt, minIterations)
	if err != nil {
		return err
	}
	weak, err := withSHA1.verifier(password, salt, minIterations)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.secret == nil {
		p.secret = []byte(rand.Text())
	}
	if p.accounts == nil {
		p.accounts = map[jid.JID]Verifier{}
	}
	if p.sha1 == nil {
		p.sha1 = map[jid.JID]Verifier{}
	}
	p.accounts[account], p.sha1[account] = strong, weak
	if !slices.Contains(p.iterations, minIterations) {
		p.iterations = append(p.iterations, minIterations)
	}
	return nil
}

// Registered reports whether an account is there by [Passwords.Register].
func (p *Passwords) Registered(account jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.sha1[account]
	return ok
}

// Remove takes an account away.
func (p *Passwords) Remove(account jid.JID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.accounts, account)
	delete(p.sha1, account)
}

// Len returns how many accounts there are.
func (p *Passwords) Len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.accounts)
}

// Any reports whether there are accounts at all.
func (p *Passwords) Any() bool { return p.Len() > 0 }

// Stands reports whether what the client has logged in with would still do: its
// account has the same password as then. It says nothing against a login by
// another mechanism.
func (p *Passwords) Stands(who Login) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return who.salt == "" || string(p.accounts[who.Account].Salt) == who.salt
}

// challenge returns the verifier of an account, or one that looks like it and
// that no password fits. Both cost the same.
func (p *Passwords) challenge(h hashing, account jid.JID, username string) (v Verifier, known bool) {
	if !account.IsZero() {
		username = account.String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	made, accounts := p.madeUp(h, username), p.accounts
	if h.size == withSHA1.size {
		accounts = p.sha1
	}
	if v, known = accounts[account]; known {
		return v, true
	}
	return made, false
}

func (p *Passwords) madeUp(h hashing, name string) Verifier {
	salt := withSHA256.mac(p.secret, "salt of "+name)
	v := Verifier{salt[:saltSize], newIterations, h.mac(p.secret, "stored key of "+name), h.mac(p.secret, "server key of "+name)}
	if n := len(p.iterations); n > 0 {
		v.Iterations = p.iterations[int(binary.BigEndian.Uint16(salt[saltSize:]))%n]
	}
	return v
}

// mayTry reports whether source may try a password.
func (p *Passwords) mayTry(source string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.strikes[source]) <= (maxStrikes-1)*forgiveness
}

// refused counts a refusal against source.
func (p *Passwords) refused(source string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.strikes == nil {
		p.strikes = make(map[string]time.Time)
	}
	if _, ok := p.strikes[source]; !ok && len(p.strikes) >= maxSources {
		maps.DeleteFunc(p.strikes, func(_ string, until time.Time) bool { return until.Before(now) })
		for s := range p.strikes { // any: who has that many addresses is not held up by this
			if len(p.strikes) < maxSources {
				break
			}
			delete(p.strikes, s)
		}
	}
	until := p.strikes[source]
	if until.Before(now) {
		until = now
	}
	p.strikes[source] = until.Add(forgiveness)
}

// Has reports whether an account may log in by password.
func (p *Passwords) Has(account jid.JID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.accounts[account]
	return known
}
