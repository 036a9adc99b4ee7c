package xmpp82

// Tables counts what an Endpoint remembers of associations: those in its table, those that peers have confirmed,
// those that they have not, and the halves of ids in use.
func (e *Endpoint) Tables() (links, standing, halfOpen, ids int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, used := range e.ids.peers {
		for _, again := range used {
			if again.IsZero() {
				ids++
			}
		}
	}
	return len(e.links), e.standing, e.halfOpen, ids
}
