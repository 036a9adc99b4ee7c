package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"
)

// maxPaths bounds what a pathCache holds: some kilobytes for each certificate.
const maxPaths = 512

// A pathCache remembers the paths that crypto/x509 has found for what a peer presented, to the octet
// and for one purpose: most peers come again, and those that stay are checked again and again.
//
// What it found does not change with time, but for the validity of the certificates: that, and
// whatever else the configuration may change, is checked of a remembered path each time. Where that
// fails, the paths are looked for anew. Only what was verified is remembered, so nobody fills the
// cache without a certificate. The zero value is ready.
type pathCache struct {
	mu    sync.Mutex
	paths map[pathKey][][]*x509.Certificate
}

type pathKey [sha256.Size]byte

// keyOf names what was presented.
func keyOf(chain []*x509.Certificate, p purpose) pathKey {
	h := sha256.New()
	h.Write([]byte{byte(p)})
	for _, c := range chain {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(c.Raw))))
		h.Write(c.Raw)
	}
	return pathKey(h.Sum(nil))
}

func (c *pathCache) get(key pathKey) [][]*x509.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.paths[key]
}

// put remembers paths. A full cache forgets one of the others.
func (c *pathCache) put(key pathKey, paths [][]*x509.Certificate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.paths == nil {
		c.paths = make(map[pathKey][][]*x509.Certificate)
	}
	if len(c.paths) >= maxPaths {
		for other := range c.paths {
			delete(c.paths, other)
			break
		}
	}
	c.paths[key] = paths
}
