"""Who is who: identities, recognising, merging, and taking a merge back."""
