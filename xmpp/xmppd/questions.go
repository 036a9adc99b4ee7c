package xmppd

import (
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// questions are the requests that have gone to another domain and may still be answered. They come back with an error when
// that domain's server is lost, so that nobody waits in vain; and what answers none of them is no answer.
//
// It is bounded. Beyond that requests are not kept, and then any answer passes: it is for the one who gets it to tell.
type questions struct {
	open  map[question]time.Time // when each was asked
	blind time.Time              // until when there may be answers to questions that were not kept
}

// question is a request, by what its answer must have.
type question struct {
	from, to jid.JID
	id       string
}

const (
	maxQuestions = 4096
	answerTime   = 5 * time.Minute // after which a question may make room for another
)

// ask keeps a stanza, if it is a request.
func (q *questions) ask(st *stanza.Stanza, now time.Time) {
	if st.Kind != stanza.IQ || answers(st) || !st.From.IsFull() {
		return
	}
	if len(q.open) >= maxQuestions {
		for k, asked := range q.open {
			if now.Sub(asked) >= answerTime {
				delete(q.open, k)
			}
		}
	}
	if len(q.open) >= maxQuestions {
		q.blind = now.Add(answerTime)
		return
	}
	if q.open == nil {
		q.open = map[question]time.Time{}
	}
	q.open[question{st.From, st.To, st.ID}] = now
}

// answer reports whether a result or an error may be the answer to a question, which is then answered.
func (q *questions) answer(st *stanza.Stanza, now time.Time) bool {
	k := question{st.To, st.From, st.ID}
	if _, ok := q.open[k]; ok {
		delete(q.open, k)
		return true
	}
	return now.Before(q.blind)
}

// drop takes all that is open, as it was asked but for what it was about.
func (q *questions) drop() []stanza.Stanza {
	var all []stanza.Stanza
	for k := range q.open {
		all = append(all, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: k.id, From: k.from, To: k.to})
	}
	clear(q.open)
	return all
}
