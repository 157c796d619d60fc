"""What the maintenance jobs do: ``payload`` what they take, ``cleaning``, ``checking`` and ``reporting`` the jobs,
``steps`` where a process may die half-way, ``service`` how they reach the queues."""
