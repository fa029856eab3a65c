"""What a network's values say about its work: `neurobench` by that benchmark's own rules, `strict` by ours."""
