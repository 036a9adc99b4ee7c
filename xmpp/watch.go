package xmpp

import (
	"errors"
	"os"
	"time"

	"busbar.example/internal/xmltok"
)

// source is what the scanner reads from: the stream, with an eye on its silence.
type source Conn

func (s *source) Read(p []byte) (int, error) {
	c := (*Conn)(s)
	for {
		n, err := c.stream.Read(p)
		if n > 0 && c.live {
			if c.pace != nil {
				c.pace(n)
			}
			if c.alive.hear(time.Now()) {
				c.arm(c.w.spoke()) // where the connection ends, the next read fails
			}
		}
		if n > 0 || !c.live || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if err := c.watch(); err != nil {
			return 0, err
		}
	}
}

// watch is called when a read has met its deadline. xmltok.ErrIdle says that nothing has come for a while.
func (c *Conn) watch() error {
	now, spoke := time.Now(), c.w.spoke()
	ping, lost := c.alive.tick(now)
	if lost {
		return ErrLost
	}
	if ping {
		c.ping()
		c.w.ask()
		spoke = now
	} else if c.alive.speak(now, spoke) {
		c.w.say([]byte{' '}) // RFC 6120, Section 4.6.1
		spoke = now
	}
	rest := c.alive.rest(now)
	if err := c.arm(spoke); err != nil || !rest {
		return err
	}
	c.w.doze()
	return xmltok.ErrIdle
}

// arm sets when reading is to be interrupted next, where something was last sent at spoke.
func (c *Conn) arm(spoke time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != nil {
		return c.cause
	}
	next := c.alive.nextSince(spoke)
	until := next
	if !next.IsZero() {
		until = next.Add(c.settings.write)
	}
	c.w.allow(until)
	return c.nc.SetReadDeadline(next)
}
