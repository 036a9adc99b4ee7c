package server

import (
	"time"

	"busbar.example/acsi"
	"busbar.example/value"
)

// A watcher hears of the changes of leaves that belong to members of a data set. It is called with the lock held.
type watcher interface {
	// touch says that a leaf of a member has changed, or was written. It is true where settle is to be called for it, and has
	// not been asked for since it was called last.
	touch(member int, why acsi.Reason) bool

	// settle is called once all leaves that change together have changed.
	settle(now time.Time)
}

// watches is who hears of changes of which leaf.
type watches struct {
	of    []int32   // by leaf: its list in lists, from 1; 0 where nobody hears
	lists [][]watch // the empty ones at the numbers in free
	free  []int32
}

type watch struct {
	watcher watcher
	member  int
}

// watch makes w hear of changes of p as its member.
func (e *Engine) watch(w watcher, member int, p point) {
	for leaf := p.first; leaf < p.first+p.shape.leafs; leaf++ {
		list := e.watches.of[leaf]
		if list == 0 {
			list = e.watches.list()
			e.watches.of[leaf] = list
		}
		e.watches.lists[list-1] = append(e.watches.lists[list-1], watch{w, member})
	}
}

// list is the number of an empty list.
func (w *watches) list() int32 {
	if n := len(w.free); n > 0 {
		list := w.free[n-1]
		w.free = w.free[:n-1]
		return list
	}
	w.lists = append(w.lists, nil)
	return int32(len(w.lists))
}

// unwatch ends what watch began.
func (e *Engine) unwatch(w watcher, p point) {
	for leaf := p.first; leaf < p.first+p.shape.leafs; leaf++ {
		number := e.watches.of[leaf]
		if number == 0 {
			continue
		}
		list := e.watches.lists[number-1]
		kept := list[:0]
		for _, entry := range list {
			if entry.watcher != w {
				kept = append(kept, entry)
			}
		}
		clear(list[len(kept):])
		e.watches.lists[number-1] = kept
		if len(kept) == 0 {
			e.watches.of[leaf] = 0
			e.watches.free = append(e.watches.free, number)
		}
	}
}

// store is the one way in which a leaf changes. It is called with the lock held and a checked value, and tells who watches
// the leaf.
func (e *Engine) store(leaf int, v value.Value) {
	list, why := e.watches.of[leaf], e.layout.triggers[leaf]
	if list == 0 || why == 0 {
		e.values[leaf] = v
		return
	}
	if e.values[leaf].Equal(v) {
		why &= acsi.TrgDataUpdate
	}
	e.values[leaf] = v
	if why != 0 {
		e.tell(list, acsi.Reason(why))
	}
}

// tell lets the watchers of a list know. The bits of the first reasons are those of the trigger conditions.
func (e *Engine) tell(list int32, why acsi.Reason) {
	for _, entry := range e.watches.lists[list-1] {
		if entry.watcher.touch(entry.member, why) {
			e.touched = append(e.touched, entry.watcher)
		}
	}
}

// put stores the parts of v, which was checked, where p is. It is called with the lock held.
func (e *Engine) put(p point, v value.Value) {
	if p.shape.cells == 0 && p.shape.node.Type.Size != -acsi.QualityBits {
		e.store(p.first, v)
		return
	}
	p.shape.split(p.first, v, e.store)
}

// settle lets who was touched take in what has changed, until nothing changes any more. It is called with the lock held, at the
// end of what changes together.
func (e *Engine) settle() {
	if len(e.touched) == 0 {
		return
	}
	now := e.cfg.Now()
	for i := 0; i < len(e.touched); i++ {
		e.touched[i].settle(now)
	}
	clear(e.touched)
	e.touched = e.touched[:0]
}

// release settles, and gives the lock back.
func (e *Engine) release() {
	e.settle()
	e.mu.Unlock()
}
