package scl

// few is how many names are found faster one by one than in a map.
const few = 16

// named is a list in the order of the file, in which something is found by its name: the first of that name. It is
// short as a rule; where it is not, the time to find something does not depend on how long it is.
type named[T interface{ called() string }] struct {
	list  []T
	index map[string]T // nil while the list is short
}

func (n *named[T]) add(item T) {
	n.list = append(n.list, item)
	if n.index == nil {
		if len(n.list) <= few {
			return
		}
		n.index = make(map[string]T)
		for _, item := range n.list {
			n.note(item)
		}
		return
	}
	n.note(item)
}

func (n *named[T]) note(item T) {
	if _, taken := n.index[item.called()]; !taken {
		n.index[item.called()] = item
	}
}

func (n *named[T]) get(name string) (item T, ok bool) {
	if n.index != nil {
		item, ok = n.index[name]
		return item, ok
	}
	for _, item := range n.list {
		if item.called() == name {
			return item, true
		}
	}
	return item, false
}
